"""The papers that the environments come from: their figures as experiments, their statements as checks. One module per paper.

To add one: write its module with a `PAPER`, add a line here.
"""

from importlib import import_module

from jaxvec.core.errors import suggest
from jaxvec.papers.plan import Paper

PAPERS = {
    "isac_iov": "jaxvec.papers.isac_iov",
    "v2x_offload": "jaxvec.papers.v2x_offload",
    "urllc_vec": "jaxvec.papers.urllc_vec",
    "twin_migration": "jaxvec.papers.twin_migration",
    "dt_edge": "jaxvec.papers.dt_edge",
}


def paper(env_id: str) -> Paper:
    """The paper of an environment.

    Raises:
        ValueError: none is known for this environment; the message lists those that are.
    """
    if env_id not in PAPERS:
        raise ValueError(suggest("paper of environment", env_id, PAPERS))
    return import_module(PAPERS[env_id]).PAPER
