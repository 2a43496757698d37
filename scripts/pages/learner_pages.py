"""The pages of the learners, made from `jaxvec.describe_learners`."""

from page_text import code, escaped, table

from jaxvec.describe_learners import describe, words_of
from jaxvec.learners import LEARNERS

ENV = "isac_iov"  # for which defaults are shown
FIRST = """\
# Learners

Every learner runs on every system: discrete, continuous and mixed actions, masks, several groups of agents, shared or
separate parameters are the same in all of them. `jaxvec.learners.make("NAME", env, SETTING=VALUE)` makes one. *Settings*
fix the program: another value compiles anew. *Hyper-parameters* are numbers: another value compiles nothing, and several
train side by side, see [sweeps and seeds](sweeps.md).
"""
AFTER = """\
**IPPO and MAPPO** are PPO with a critic of each agent's own observation, or with a central critic that sees the whole world
in training. Acting never needs more than the agent's own row. **DDPG, TD3, SAC** and their multi-agent forms (MADDPG,
MATD3, MASAC, whose critics see all agents) keep a replay buffer on the device and alternate acting in many worlds with
gradient steps at a set ratio. `maddpg_pooled` is MADDPG whose critic sees the other agents as a set, for many agents that
are alike and share a reward.

**`apg`**, the default learner, differentiates through the world, see [gradients through the world](gradients.md).

**QMARL** (`qmarl`) is MAPPO whose actors are quantum circuits, simulated inside the rollout; `mappo_matched` is the same
with a dense layer of the circuit's size in its place, so that the two can be compared, see [circuits](results/circuits.md).

**In every learner** you can set:

- `prior="RULE"`: the policy is a residual on a fixed rule, and is that rule at first;
- `actor="scorer"`: one small network scores the options of a choice (servers, say) by what is seen of each, for any number
  of options;
- `actor="pooled"`: each agent sees the other agents as a set;
- `keep_best=64`: the policy that you get is the best one that was met, judged now and then in 64 worlds of its own;
- `network=`, `critic=`: [networks of your own](own-learner.md).

Where a twin shows what was some slots ago (`urllc_vec` with `twin_mode="lstm"`), any learner trains a forecaster beside its
policy: the paper's LSTM, or another one by `forecaster="gru"`. It tells the agents what is the case now.
"""


def overview() -> str:
    """The page that lists them."""
    rows = [(f"[`{name}`](learners/{name}.md)", escaped(words_of(name))) for name in LEARNERS]
    return "\n\n".join([FIRST, table(("name", "what it is"), rows), AFTER])


def page(name: str) -> str:
    """The page of one.

    Args:
        name: of the table of learners.
    """
    told = describe(name, ENV)
    parts = [
        f"# {name}",
        f"{escaped(words_of(name)[:1].upper() + words_of(name)[1:])}. Values are the defaults on `{ENV}`; "
        f"`jaxvec learners {name} --env NAME` shows those on another system.",
        "## Settings",
        f'A change compiles anew. `jaxvec.learners.make("{name}", env, NAME=VALUE)`, or `--set NAME=VALUE`.',
        table(("name", "default", "meaning"), _rows(told["settings"])),
        "## Hyper-parameters",
        "A change compiles nothing. `jaxvec.train(learner, params, key, num_updates, hyper={NAME: VALUE})`, or "
        "`--set NAME=VALUE`.",
        table(("name", "default", "meaning"), _rows(told["hyper"])),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rows(fields: dict[str, dict[str, object]]) -> list[tuple[str, str, str]]:
    return [(code(field), code(str(x["value"])), escaped(str(x["meaning"]))) for field, x in fields.items()]
