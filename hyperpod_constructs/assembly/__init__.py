"""What is made of a whole app: stacks, synthesis, the proof of the deploy order, reviews of templates."""
