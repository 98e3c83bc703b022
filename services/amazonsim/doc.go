// Package amazonsim is written in the following commits.
package amazonsim
