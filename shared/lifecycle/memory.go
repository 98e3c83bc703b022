package lifecycle

import "runtime/debug"

// CollectSeldom lets the heap grow to three times of what is in use before garbage is collected, instead of twice, unless
// GOGC says otherwise. For a process whose heap is small and whose garbage is much, as one that carries out runs, it saves
// some of its processor time for some tens of megabytes.
func CollectSeldom(env func(string) string) {
	if env("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}
