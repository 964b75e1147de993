"""What quotes of TDX and of SGX have in common: Intel's Data Center Attestation Primitives.

The quote around its report, the platform's certificate, Intel's collateral, and demands on the hardware. Callers have
:mod:`.tdx` and :mod:`.sgx`, which give out those of these names that they need.
"""

__all__: list[str] = []
