// Package dispatcher is written in the following commits.
package dispatcher
