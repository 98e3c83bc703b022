// Package embedded runs inside the process what a larger installation runs beside it: a nats-server with its streams on
// disk, and a Redis that holds the view. It guarantees that every stored message is synced before it is acknowledged,
// that two processes never share a data directory, that nothing listens beyond loopback unless asked for, and that
// whatever does listen demands a password. The embedded Redis is miniredis, a test server: it keeps nothing on disk and
// is good for about 50,000 open shipments; beyond that, give the address of a real one. It does not know Fertig's
// streams or keys: stream.Ensure and the services create those.
package embedded
