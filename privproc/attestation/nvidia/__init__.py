"""NVIDIA's GPUs and switches: SPDM evidence, chain, reference values; appraisal of all devices of a machine at once.

SPDM: DMTF DSP0274, version 1.1. What NVIDIA puts into it: nvtrust and attestation-sdk, as published by NVIDIA.
"""

from privproc.attestation.nvidia.appraisal import BootDevices, Device, FreshDevices, appraise, appraise_boot
from privproc.attestation.nvidia.chain import NVIDIA_ROOTS, VerifiedChain, verify_chain
from privproc.attestation.nvidia.evidence import Evidence, Kind
from privproc.attestation.nvidia.policy import AnyDevice, Devices, Policy, Reference, merge
from privproc.attestation.nvidia.report import Report
from privproc.attestation.roots import Roots

__all__ = [
    "NVIDIA_ROOTS",
    "AnyDevice",
    "BootDevices",
    "Device",
    "Devices",
    "Evidence",
    "FreshDevices",
    "Kind",
    "Policy",
    "Reference",
    "Report",
    "Roots",
    "VerifiedChain",
    "appraise",
    "appraise_boot",
    "merge",
    "verify_chain",
]
