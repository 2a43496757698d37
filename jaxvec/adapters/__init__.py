"""Any environment as other libraries know theirs; each adapter is a module of its own, imported by whoever uses it.

- `jaxvec.adapters.gymnasium`: `SingleEnv`, and `VectorEnv` of worlds or of agents;
- `jaxvec.adapters.stable_baselines3`: `VecEnv`;
- `jaxvec.adapters.pettingzoo`: `Parallel`, and `TurnBased` where agents decide one after the other;
- `jaxvec.adapters.jaxmarl`: `MultiAgent`, and `jaxvec.adapters.gymnax`: `SingleAgent`, pure functions for `jax.vmap`.

Gymnasium and PettingZoo come with the extra `adapters` (`pip install 'jaxvec[adapters]'`), Stable-Baselines3 and its PyTorch
with `sb3`, JaxMARL with `jaxmarl` and gymnax with `gymnax`. What all adapters share:

- Where the horizon ends an episode it is truncated, not terminated; each says how that is not lost.
- Actions have the views of `jaxvec.adapters.actions`.

What those share that are called from Python, one step at a time:

- An episode of world w is that of `jaxvec.core.rollout.rollout` under `jax.random.key(seed)`: adapters, learners and rules
  meet the same vehicles, tasks and fading. Another reset without a seed begins the next episode of the same worlds.
- A step is two compiled programs, a small one for the action and one for the slot, and a copy to NumPy; arrays are the
  caller's, to be written into. Equal environments share compilations.
"""
