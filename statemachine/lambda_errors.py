"""What Lambda may answer to a state's invocation, sorted once: what passes by itself is retried.

The errors of the Invoke operation are botocore's, and Step Functions puts ``Lambda.`` before their names
(https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html). Each stands in one of the
lists below, and tests/statemachine/test_lambda_errors.py fails when botocore has one that stands in none.
What each means: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

PASSING = (
    "ServiceException",
    "TooManyRequestsException",
    # A function in a VPC that was idle for weeks is Inactive. The first invocation fails and brings it back,
    # which takes a minute or so (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html).
    "ResourceNotReadyException",
    "ENINotReadyException",
    # Also while the function is updated.
    "ResourceConflictException",
    "CodeArtifactUserPendingException",
    # EC2 is asked for a network interface then, and may be short of something.
    "EC2ThrottledException",
    "EC2UnexpectedException",
    "SubnetIPAddressLimitReachedException",
    "ENILimitReachedException",
    # Features that the template does not use. They cost nothing here, and a fork may use them.
    "SnapStartNotReadyException",
    "SnapStartTimeoutException",
    "SnapStartRegenerationFailureException",
    "EFSMountConnectivityException",
    "EFSMountTimeoutException",
    "EFSIOException",
    "S3FilesMountConnectivityException",
    "S3FilesMountTimeoutException",
)
"""May be gone in a moment, or in minutes."""

LASTING = (
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
    "DurableExecutionAlreadyStartedException",
    "EC2AccessDeniedException",
    "EFSMountFailureException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "InvalidRuntimeException",
    "InvalidSecurityGroupIDException",
    "InvalidSubnetIDException",
    "InvalidZipFileException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "ModeNotSupportedException",
    "NoPublishedVersionException",
    "RecursiveInvocationException",
    "RequestTooLargeException",
    "ResourceNotFoundException",
    "RuntimeAliasDeletedException",
    "RuntimeVersionDeletedException",
    "S3FilesMountFailureException",
    "SerializedRequestEntityTooLargeException",
    "ServiceQuotaExceededException",
    "SnapStartException",
    "UnsupportedMediaTypeException",
)
"""Somebody has to change something first."""

OF_STEP_FUNCTIONS = (
    # https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    # The function's answer has no errorType.
    "Lambda.Unknown",
    "States.Timeout",
)

OF_THE_RUNTIME = (
    # The function crashed, ran out of memory or of time: the errorType of Lambda's answer.
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
    # While code and layer are being updated, one may be there before the other.
    "Runtime.ImportModuleError",
)

THROTTLED = ("Lambda.TooManyRequestsException",)
"""The account's, or the function's, concurrent executions are used up."""

RETRIED = [*(f"Lambda.{name}" for name in PASSING), *OF_STEP_FUNCTIONS, *OF_THE_RUNTIME]
"""As ErrorEquals names them, for each state that calls a function."""
