import httpx
import pytest


def test_the_catalogue_is_an_object_or_an_array_with_the_same_models(shop, start):
    plain = shop.http.get("/v2/models").json()
    array = shop.http.get("/v2/models?shape=array").json()
    assert list(plain) == [model["id"] for model in array]
    assert plain["test/test"] == {
        "release_date": "2025-05-04",
        "output": ["image"],
        "inputs": {"image": True, "mask": True, "quality": True, "size": ["custom"]},
        "price": {"min": 0.0, "average": 0.0, "max": 0.0},
    }
    gemini = next(model for model in array if model["id"] == "google/gemini-2.5-flash")
    assert gemini["aliases"] == ["google/gemini-2.5-flash-image"]
    assert gemini["name"] == "Gemini 2.5 Flash Image"
    with start(catalogue_shape="array") as other:
        assert other.http.get("/v2/models").json() == array


def test_the_catalogue_needs_no_key(shop):
    assert httpx.get(f"{shop.endpoints.api_url}/v2/models", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("name=schnell&free=true", ["black-forest-labs/FLUX-1-schnell:free"]),
        ("provider=google&sort=price", ["google/gemini-2.5-flash", "google/imagen-4", "google/veo-3-fast"]),
        ("sort=date&limit=2", ["lightricks/ltx-2", "black-forest-labs/FLUX-2-pro"]),
        ("type=image&sort=date&limit=2", ["black-forest-labs/FLUX-2-pro", "qwen/qwen-image-layered"]),
        ("type=video", ["ir/test-video", "openai/sora-2", "google/veo-3-fast", "lightricks/ltx-2"]),
    ],
)
def test_the_catalogue_can_be_filtered_and_sorted(shop, query, ids):
    assert list(shop.http.get(f"/v2/models?{query}").json()) == ids


def test_the_older_catalogue_prices_a_model_per_provider(shop):
    models = shop.http.get("/v1/models").json()
    one = shop.http.get("/v1/models/openai/gpt-image-1").json()
    assert models["openai/gpt-image-1"] == one
    assert one["providers"][0]["pricing"] == {
        "type": "calculated",
        "range": {"min": 0.011, "average": 0.167, "max": 0.3},
    }
    assert one["supported_params"] == {"quality": True, "mask": False, "edit": True}
    assert models["google/imagen-4"]["providers"][0]["pricing"] == {"type": "fixed", "value": 0.037}


def test_an_unknown_model_is_a_404_on_the_older_catalogue(shop):
    answer = shop.http.get("/v1/models/no/such")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "model_not_found")


def test_a_key_can_be_checked_for_nothing(shop):
    answer = shop.http.post("/v1/auth/test").json()
    assert answer["success"] is True
    assert len(answer["credits"].partition(".")[2]) == 4
    url = f"{shop.endpoints.api_url}/v1/auth/test"
    assert httpx.post(url, headers={"Authorization": "Bearer no"}, trust_env=False).status_code == 401


def test_credits_need_a_key(shop):
    assert httpx.get(f"{shop.endpoints.api_url}/v1/credits", trust_env=False).status_code == 401


def test_health_answers_without_a_key(shop):
    answer = httpx.get(f"{shop.endpoints.api_url}/_simulator/health", trust_env=False)
    assert answer.json() == {"healthy": True, "in_flight": 0}
