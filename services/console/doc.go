// Package console is written in the following commits.
package console
