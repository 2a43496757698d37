"""The league of a system: rules, learners and the bound in the same worlds, and what it took learners to pass the rules.

`league` plays one into a folder; `jaxvec league ENV` is the command, `benchmarks/league.py` plays all systems. Who takes part is
said in `jaxvec.league.entries`.
"""

from jaxvec.league.play import Budget, league

__all__ = ["Budget", "league"]
