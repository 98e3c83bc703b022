package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// fsyncP50 is the median time of writing 512 bytes to the end of a file in dir and syncing it, over 200 of them: what one
// synced event costs at least where nothing is shared. It says how fast the disk was when a figure was measured.
func fsyncP50(dir string) (time.Duration, error) {
	const rounds = 200
	f, err := os.CreateTemp(dir, "fsync")
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	took, block := make([]time.Duration, rounds), make([]byte, 512)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("measure the disk: %w", err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[rounds/2], nil
}
