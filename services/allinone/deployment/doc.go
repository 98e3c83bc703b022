// Package deployment checks what an installation of separate services is made of, without a container engine. Its tests
// replay the image's build in a bare folder, load the compose files and hold them against the programs that come out, and then
// start real servers from the very configuration files and every program with the environment, the key and the password it
// is given there: what works here works with its own rights only. It contains no code for use elsewhere.
package deployment
