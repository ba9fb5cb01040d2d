"""Operations on a whole app: stacks, synthesis, the proof of the deployment order, reviews of templates."""
