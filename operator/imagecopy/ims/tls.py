"""Explains failed TLS connections: a server that can't be trusted, or one that does not speak TLS."""

import ssl

from imagecopy.ims.classify import clean
from imagecopy.ims.errors import ImsError, Misconfigured, Unreachable

# OpenSSL's numbers, from its x509_vfy.h
_NOT_YET_VALID = 9
_EXPIRED = 10
_UNKNOWN_SIGNER = (2, 18, 19, 20, 21)
"""Issuer not found; the server's own certificate, or one in its chain, signed by itself."""
_OTHER_NAME = (62, 64)
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")

TLS_ALERT = "\\x15\\x03"
"""The first bytes of a TLS alert, as they are quoted when they are read as an HTTP reply."""


def tls_failure(host: str, error: BaseException) -> ImsError | None:
    """Return the error for a connection to ``host`` that failed in TLS; None if it failed for another reason.

    Nothing was sent. Misconfigured if the author of the provider can repair it, otherwise Unreachable.
    """
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLError):
        seen = seen.__cause__ or seen.__context__
    if isinstance(seen, ssl.SSLCertVerificationError):
        return _bad_certificate(host, seen)
    if isinstance(seen, ssl.SSLError) and seen.reason in _NO_TLS:
        return Unreachable(
            f"{host} does not speak TLS at this port: correct the port in the provider's spec.endpoints; a server that "
            f"has plain http only needs http:// there, and the administrator's word for it ({clean(str(seen), 200)})"
        )
    return None


def _bad_certificate(host: str, error: ssl.SSLCertVerificationError) -> ImsError:
    said = clean(f"certificate verify failed: {error.verify_message}", 200)
    if error.verify_code == _EXPIRED:
        return Unreachable(
            f"the certificate of {host}, or the one of the CA that signed it, has expired: whoever runs the server has "
            f"to renew it; if it is the CA in the provider's spec.caBundle, replace that ({said})"
        )
    if error.verify_code == _NOT_YET_VALID:
        return Unreachable(
            f"the certificate of {host} is not valid yet: check the clock of the operator's node ({said})"
        )
    if error.verify_code in _OTHER_NAME:
        return Misconfigured(
            f"the certificate that {host} shows is for another name: write a host that it names into the provider's "
            f"spec.endpoints ({said})"
        )
    if error.verify_code in _UNKNOWN_SIGNER:
        return Misconfigured(
            f"the certificate of {host} is signed by nobody we trust: put the certificate (PEM) of the CA that signed "
            f"it into the provider's spec.caBundle, which then counts in place of the public CAs ({said})"
        )
    return Misconfigured(f"the certificate of {host} can't be accepted, nor can spec.caBundle help as it is ({said})")
