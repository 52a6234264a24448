"""How the compiled core was built, and a clear word where it was not."""

from __future__ import annotations

from cxcore import errors

try:
    from cxcore._ext import native, sessions  # noqa: F401  (asked here so that the error says what to do)
except ImportError as error:
    raise ImportError(f"{errors.NOT_BUILT}\n  Cause: {error}") from error

__version__: str = native.build()["version"]


def build_info() -> dict[str, str | bool]:
    """Version of cxcore, and how its compiled core was built.

    Returns
    -------
    dict
        ``version``, ``debug`` (bounds checks and asserts in every kernel), ``sanitize`` (name of the
        sanitizer, or empty), ``compiler``.

    Examples
    --------
    >>> import cxcore as cx
    >>> sorted(cx.build_info())
    ['compiler', 'debug', 'sanitize', 'version']
    """
    return dict(native.build())  # type: ignore[arg-type]  # a TypedDict is a dict[str, object] to mypy
