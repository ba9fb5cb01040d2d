"""Operations on a whole app: stacks, synthesis, the proof of the deployment order, template reviews, rehearsals."""
