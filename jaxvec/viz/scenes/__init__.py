"""What there is to see of each environment: one module per environment, `scene(env, params, state, action, info, reward, t)`."""
