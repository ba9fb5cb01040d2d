"""The pure core: facts, fields, rules, jobs and calculations. Plain typed Python; no CDK, no clients."""
