"""The pipeline's bucket: code, literals, and results that are too large to be inline."""

from __future__ import annotations

from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import Construct, aws

BUCKET_PARTS = (
    "bucket_encryption",
    "bucket_lifecycle",
    "bucket_ownership",
    "bucket_policy",
    "bucket_public_access",
    "bucket_versioning",
)
"""Ids of the bucket's own resources."""
OLD_VERSION_DAYS = 30


def given_bucket(scope: Construct, name: str) -> aws.data_aws_s3_bucket.DataAwsS3Bucket:
    """Return an existing bucket, which other pipelines may share.

    Args:
        scope: The construct that contains the data source.
        name: Its name.
    """
    return aws.data_aws_s3_bucket.DataAwsS3Bucket(scope, "bucket", bucket=name)


def artifact_bucket(
    scope: Construct, name: str, tags: dict[str, str], key: str | None = None, *, run_data_days: int
) -> aws.s3_bucket.S3Bucket:
    """Return a new private, encrypted, versioned bucket whose run data expires.

    Args:
        scope: The construct that contains it.
        name: Its name.
        tags: Its tags.
        key: ARN of the KMS key for encryption; AWS's own key for S3 by default.
        run_data_days: Days after which the data of runs expires.
    """
    bucket = aws.s3_bucket.S3Bucket(scope, "bucket", bucket=name, tags=tags)
    aws.s3_bucket_ownership_controls.S3BucketOwnershipControls(
        scope,
        "bucket_ownership",
        bucket=bucket.id,
        rule={"object_ownership": "BucketOwnerEnforced"},
    )
    block = aws.s3_bucket_public_access_block.S3BucketPublicAccessBlock(
        scope,
        "bucket_public_access",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )
    aws.s3_bucket_server_side_encryption_configuration.S3BucketServerSideEncryptionConfigurationA(
        scope,
        "bucket_encryption",
        bucket=bucket.id,
        rule=[
            aws.s3_bucket_server_side_encryption_configuration.S3BucketServerSideEncryptionConfigurationRuleA(
                apply_server_side_encryption_by_default=(
                    aws.s3_bucket_server_side_encryption_configuration.S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
                        sse_algorithm="aws:kms", kms_master_key_id=key
                    )
                ),
                bucket_key_enabled=True,
            )
        ],
    )
    versioning = aws.s3_bucket_versioning.S3BucketVersioningA(
        scope,
        "bucket_versioning",
        bucket=bucket.id,
        versioning_configuration={"status": "Enabled"},
    )
    aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfiguration(
        scope,
        "bucket_lifecycle",
        bucket=bucket.id,
        rule=[
            aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfigurationRule(
                id="run-data",
                status="Enabled",
                filter=[
                    aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfigurationRuleFilter(
                        prefix="runs/"
                    )
                ],
                expiration=[
                    aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfigurationRuleExpiration(
                        days=run_data_days
                    )
                ],
            ),
            aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfigurationRule(
                id="old-versions",
                status="Enabled",
                filter=[
                    aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfigurationRuleFilter(
                        prefix=""
                    )
                ],
                noncurrent_version_expiration=[
                    aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                        noncurrent_days=OLD_VERSION_DAYS
                    )
                ],
                abort_incomplete_multipart_upload=[
                    aws.s3_bucket_lifecycle_configuration.S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                        days_after_initiation=7
                    )
                ],
            ),
        ],
        depends_on=[versioning],
    )
    aws.s3_bucket_policy.S3BucketPolicy(
        scope,
        "bucket_policy",
        bucket=bucket.id,
        policy=iam.tls_only(bucket.arn),
        depends_on=[block],
    )
    return bucket
