"""Any environment as other libraries know theirs; each adapter is a module of its own, imported by whoever uses it.

- `jaxvec.adapters.gymnasium`: `SingleEnv`, and `VectorEnv` of worlds or of agents;
- `jaxvec.adapters.stable_baselines3`: `VecEnv`;
- `jaxvec.adapters.pettingzoo`: `Parallel`, and `TurnBased` where agents decide one after the other.

Gymnasium and PettingZoo come with the extra `adapters` (`pip install 'jaxvec[adapters]'`), Stable-Baselines3 and its PyTorch
with `sb3`. What all adapters share:

- An episode of world w is that of `jaxvec.core.rollout.rollout` under `jax.random.key(seed)`: adapters, learners and rules
  meet the same vehicles, tasks and fading. Another reset without a seed begins the next episode of the same worlds.
- A step is two compiled programs, a small one for the action and one for the slot, and a copy to NumPy; arrays are the
  caller's, to be written into. Equal environments share compilations.
- Where the horizon ends an episode it is truncated, not terminated.
- Actions have three views, see `jaxvec.adapters.actions`.
"""
