// Package scheduler is written in the following commits.
package scheduler
