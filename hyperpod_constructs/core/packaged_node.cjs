// Settings of V8 for the Node.js that runs CDK, loaded before CDK; see packaged_node.py. CDK's CloudFormation validator is
// WebAssembly. With V8's defaults, `python app.py` takes 1.6 times the CPU time (Node.js 24.19, aws-cdk-lib 2.275).
const { setFlagsFromString } = require("node:v8");

// The validator's memory grows in many small steps. By default, V8 counts each step as external memory with a limit of its
// own and starts a garbage collection of the complete heap every few steps. Here the steps count toward the heap's limit.
setFlagsFromString("--external-memory-accounted-in-global-limit");

// Optimize a function after ten times the default number of executed bytes: in most apps the validator has finished before
// the optimized code is ready. Functions that a large app executes more often are still optimized.
setFlagsFromString("--wasm-tiering-budget=130000000");
