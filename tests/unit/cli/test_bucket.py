"""Where blobs are kept: what is taken, and what is said of what cannot be."""

import click
import pytest

from draas.cli.bucket import read_bucket
from draas.model.bucket import Bucket


@pytest.mark.parametrize(
    ("file", "environ", "bucket"),
    [
        ({}, {}, None),
        ({"blobs": "files"}, {"AWS_ENDPOINT_URL": "of something else"}, None),
        ({"blobs": "s3://images"}, {}, Bucket(name="images")),
        ({"blobs": "s3://images"}, {"DRAAS_BLOBS": "files"}, None),
        ({}, {"DRAAS_BLOBS": "s3://my.images-1/a/b_c/"}, Bucket(name="my.images-1", prefix="a/b_c")),
    ],
)
def test_the_environment_wins_over_the_file_and_files_are_the_default(
    file: dict[str, str], environ: dict[str, str], bucket: Bucket | None
) -> None:
    assert read_bucket(file, environ) == bucket


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"DRAAS_BLOBS": "s3://Images"}, "DRAAS_BLOBS must be files or s3://BUCKET/PREFIX, not 's3://Images'"),
        ({"DRAAS_BLOBS": "/var/lib/blobs"}, "DRAAS_BLOBS must be files or s3://BUCKET/PREFIX"),
        ({"DRAAS_BLOBS": "s3://images/a//b"}, "DRAAS_BLOBS has the prefix 'a//b'"),
        ({"DRAAS_BLOBS": "s3://images/../b"}, "DRAAS_BLOBS has the prefix '../b'"),
        ({"AWS_ENDPOINT_URL": "s3.example.org"}, "AWS_ENDPOINT_URL must be a URL such as https://s3.example.org"),
        ({"AWS_ACCESS_KEY_ID": "x"}, "set AWS_SECRET_ACCESS_KEY as well"),
        ({"AWS_SECRET_ACCESS_KEY": "secret"}, "set AWS_ACCESS_KEY_ID as well"),
        ({"AWS_CA_BUNDLE": "/nowhere"}, "AWS_CA_BUNDLE must be a file of certificates (PEM)"),
    ],
)
def test_a_wrong_value_is_one_clear_line(environ: dict[str, str], message: str) -> None:
    with pytest.raises(click.UsageError) as told:
        read_bucket({}, {"DRAAS_BLOBS": "s3://images", **environ})
    assert message in told.value.message
    assert "\n" not in told.value.message
    assert "'secret'" not in told.value.message
