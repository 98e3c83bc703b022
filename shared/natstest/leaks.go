package natstest

import "go.uber.org/goleak"

// Leaks are the goroutines that a server of a cluster may leave behind when it is stopped while its peers still hand it
// streams: it makes their stores after it has closed the others. They are the server's and wait for nothing of ours.
func Leaks() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"),
	}
}
