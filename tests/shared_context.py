"""Programs of one process that share the memory MLIR keeps its types in.

JAX makes an MLIR context for every program it lowers and keeps it as long as the program lives, and
MLIR goes through all that live whenever a new one is first used. Among the thousands of programs
that a worker of pytest compiles, that takes longer than the programs themselves.
"""

from jax._src.interpreters import mlir

# Contexts give nothing back while one of their programs lives, so each serves only so many.
_PROGRAMS = 100


def share() -> None:
  """From here on, so many programs are lowered in one context."""
  make = mlir.make_ir_context
  served = 0
  context = None

  def make_ir_context() -> mlir.ir.Context:
    nonlocal served, context
    if context is None or served == _PROGRAMS:
      served, context = 0, make()
    served += 1
    return context

  mlir.make_ir_context = make_ir_context
