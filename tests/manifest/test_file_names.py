import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.manifest.file_names import (
    bucket_problem,
    folder_problem,
    name_problem,
    path_problem,
    segment_problem,
    slug,
)


@pytest.mark.parametrize("name", ["mug-sweep", "Größe 2", "a.b", "contest", "x" * 200])
def test_a_portable_name_is_taken(name):
    assert name_problem(name) is None


@pytest.mark.parametrize("folder", ["outputs/x", "/data/out", "./x", "x/"])
def test_a_folder_may_lie_anywhere_below_a_root(folder):
    assert folder_problem(folder) is None


@pytest.mark.parametrize(
    "folder", ["sftp://bucket/prefix", "gs://b", "hf://datasets/me/x", "file:///tmp/x", "s3:/bucket"]
)
def test_a_folder_elsewhere_is_refused_with_what_to_do_instead(folder):
    problem = folder_problem(folder)
    assert "must be a folder on this machine" in problem
    assert "copy it there after the run" in problem


def test_a_run_folder_in_a_bucket_is_refused_with_the_way_to_pictures_there():
    assert "output.pictures rests pictures in a bucket" in folder_problem("s3://bucket/prefix")


@pytest.mark.parametrize(
    "path", ["a//b", "a/con/b", "C:/x", "a\\b", "a/b.", "REPORT.html", "metadata.jsonl", "", "~/x"]
)
def test_a_path_that_is_not_portable_or_not_free_is_refused(path):
    assert path_problem(path)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_stem_becomes_a_name(stem):
    assert segment_problem(slug(stem)) is None


@pytest.mark.parametrize("address", ["s3://mugs", "s3://mugs/", "gs://mugs.example/run/one", "az://mugs/run_1/a-b=c"])
def test_a_bucket_is_an_address_of_one_of_three_services(address):
    assert bucket_problem(address) is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mugs/run", "must be the address of a bucket: s3://bucket/prefix"),
        ("S3://mugs", "did you mean 's3'"),
        ("s3:/mugs", "must be the address"),
        ("s3://Mugs/x", "must be the address"),
        ("https://mugs.s3.amazonaws.com/x", "must be the address"),
        ("s3://mugs/a b", "must be the address"),
        ("s3://mugs/größe", "must be the address"),
        ("s3://key:secret@mugs/x", "must be the address"),
        ("s3://mugs/a/../b", "has a part that is empty"),
        ("s3://mugs/a//b", "has a part that is empty"),
    ],
)
def test_what_is_no_bucket_is_refused_with_what_one_looks_like(address, words):
    assert words in bucket_problem(address)
