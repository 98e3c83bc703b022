// Package carrierimport is written in the following commits.
package carrierimport
