// Package demo is the main job on realistic input: three shops of two sellers, some 330 shipments through all four doors,
// and a day on which everything happens that can. It starts the whole system on sample data, reports the shipments, runs
// the job, corrects what a clerk would correct, presses the message's button, and does the accounts. It guarantees that
// what it prints at the end is derived from the senders' journals, the ledger and Amazon's record (package audit), never
// from its own expectations. It is a client like any other: it uses the doors and the API, and nothing behind them.
package demo
