"""Where a manifest may rest its pictures, besides the run folder."""

import pytest

from batchgen.errors import ManifestError
from batchgen.manifest import load_manifest


def loaded(tmp_path, output):
    (tmp_path / "job.yaml").write_text(f"prompt: a mug\ndefaults: {{model: test/test}}\noutput: {{{output}}}\n")
    return load_manifest(tmp_path / "job.yaml")


def test_a_bucket_may_be_named_by_a_variable_and_end_with_a_slash(tmp_path, monkeypatch):
    monkeypatch.setenv("MUGS", "s3://mugs/run")
    assert loaded(tmp_path, 'pictures: "${MUGS}/"').output.pictures == "s3://mugs/run"


def test_names_and_a_bucket_are_refused_together_with_the_way_to_names(tmp_path):
    with pytest.raises(
        ManifestError, match=r"job\.yaml:3: output\.path names links.*`batchgen export FOLDER imagefolder"
    ):
        loaded(tmp_path, 'pictures: "s3://mugs/run", path: "{row}"')


def test_what_is_no_bucket_is_told_at_its_place(tmp_path):
    with pytest.raises(ManifestError, match=r"job\.yaml:3: output\.pictures must be the address of a bucket"):
        loaded(tmp_path, "pictures: mugs/run")
