// Package amazonsim is Amazon's side of a shipment confirmation, offline: Login with Amazon's token
// endpoint, confirmShipment (Orders API v0), getOrder and searchOrders (Orders API 2026-01-01) behind one http.Handler.
//
// It guarantees what a client may rely on and what it must survive: the usage plans as exact token
// buckets, the checks with the texts seen in production, the states of an order and its packages, reads
// that lag behind writes, and faults before and after the commit that are the same for the same seed.
// Every call is recorded with what it really did, so that a test can prove "exactly once" against it.
//
// It does not sign, keep or know buyer data, does not persist anything, and shares no code with any
// client: its bodies are written from Amazon's published models. Feeds are not offered.
// The endpoints under /admin/ are the simulator's own, and answer only to this machine.
package amazonsim
