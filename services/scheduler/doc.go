// Package scheduler turns schedules into triggers. Each account has a cron expression read in an IANA zone; at every slot
// the scheduler publishes one trigger with a run id made of account and slot time, and the run board takes the first
// and refuses the rest. It guarantees one run per slot however many replicas run, without a leader, and that a change of
// settings needs no restart.
//
// Slots that fell due while no scheduler was running are found at the start, from the triggers that are missing and the
// settings that were in force. Within the schedule's grace period the latest is run, late; earlier ones are recorded as
// covered by it, because a run takes everything that waits. Older ones are recorded as missed. What was missed more than
// seven days ago, or before the oldest revision of the settings that is kept, is not looked for.
//
// It never talks to Amazon and decides nothing about orders: a paused account's slot is triggered all the same, and the
// run says what the pause means; only a slot that nobody triggered in time and that fell into a pause is let go.
package scheduler
