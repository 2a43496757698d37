"""Policies that decide from solved cases, without learning while they do: the cases most like a situation are looked up, and its
decision is copied from them (`rules`), inferred by a transformer that was trained to (`transformer`), or asked of a language
model (`jaxvec.policies.llm`); `clone` is the control that has learned the cases by heart.

    cases      the set, retrieval, growth
    store      sets and weights as files
    policy     from a way to decide to a policy
    dt_edge    what an environment adds: its features, its cases, its policies by name
"""
