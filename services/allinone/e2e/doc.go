// Package e2e holds tests of several services together: dispatchers that share a connection, a Redis that is wiped while
// a run is under way, and the program itself, killed and started again. They judge by package audit, as the demo does.
// What one service guarantees by itself is tested there.
package e2e
