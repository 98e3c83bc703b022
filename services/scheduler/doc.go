// Package scheduler turns schedules into triggers. Each account has a cron expression read in an IANA zone; at every slot
// the scheduler publishes one trigger with a run id made of account and slot time, and the run board takes the first
// and refuses the rest. It guarantees one run per slot however many replicas run, without a leader, and that a change of
// settings needs no restart.
//
// It never talks to Amazon and decides nothing about orders: a paused account's slot is triggered all the same, and the
// run says what the pause means. Slots missed for longer than CatchUp are not made up for.
package scheduler
