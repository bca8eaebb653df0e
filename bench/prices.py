"""List prices, in US dollars, of us-east-1 for arm64, without free tiers; as published in November 2026.

Every figure of bench.cost comes from these. Look them up again before you rely on a sum.
"""

from __future__ import annotations

AS_OF = "2026-11"
REGION = "us-east-1"

TRANSITION = 0.025 / 1_000
"""A state transition of a Standard workflow: https://aws.amazon.com/step-functions/pricing/"""
LAMBDA_GB_S = 0.0000133334
"""A GB-second on arm64: https://aws.amazon.com/lambda/pricing/"""
LAMBDA_REQUEST = 0.20 / 1_000_000
LOG_BYTE = 0.50 / 1_000_000_000
"""Ingestion: https://aws.amazon.com/cloudwatch/pricing/"""
ALARM_MONTH = 0.10
"""For each metric that an alarm reads."""
DASHBOARD_MONTH = 3.00
"""From the fourth dashboard of an account on."""
KEY_MONTH = 1.00
"""A customer managed key: https://aws.amazon.com/kms/pricing/"""
M5_LARGE_HOUR = 0.096
"""2 vCPU and 8 GiB, on demand: https://aws.amazon.com/ec2/pricing/on-demand/"""
M5_LARGE_CPU_M, M5_LARGE_MIB = 2_000, 8_192

HOURS_IN_MONTH = 730
