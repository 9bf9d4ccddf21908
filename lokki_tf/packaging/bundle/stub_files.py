from __future__ import annotations

S = b"""
import functools
class _Any:
    def __getattr__(self,n):
        if n.startswith("__"): raise AttributeError(n)
        return self
    def __call__(self,*a,**k): return self
    def __rshift__(self,o): return self
    __rrshift__=__rshift__
any_=_Any()
class _S:
    __lokki_step__=True
    def __init__(self,f):
        functools.update_wrapper(self,f)
    def __call__(self,*a,**k):
        return self.__wrapped__(*a,**k)
def step(f=None,**k):
    if f is None: return lambda f: step(f,**k)
    return _S(f)
def __getattr__(n):
    if n in ("ReturnUpdates","ConditionalReturns"):
        import lokki_runtime.routes as r
        return getattr(r,n)
    if n.startswith("__"): raise AttributeError(n)
    return any_
"""


def stub_files() -> dict[str, bytes]:
    """."""
    return {"lokki_tf/__init__.py": S}
