// Package archtest holds the rules of the house as tests: who may import whom, what may be linked into which binary,
// where the environment is read, and that README and go.mod files tell the truth about the tree. It guarantees that a
// wall somebody breaks is named with file and rule in the next test run. It contains no code for use elsewhere.
package archtest
