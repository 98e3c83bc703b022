package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// start begins a process that ends with u.
func (u *upped) start(ctx context.Context, log, name string, args ...string) (pid int, err error) {
	out, err := os.Create(log)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "BENCH_SECRET=x", "BENCH_REFRESH=x", "BENCH_TOKEN="+benchToken)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		_ = out.Close()
		return 0, err
	}
	u.stops = append(u.stops, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = out.Close()
	})
	return cmd.Process.Pid, nil
}

// startRedis starts a redis-server with its file synced every second, where the machine has one, and returns what the
// configuration says about it.
func (u *upped) startRedis(ctx context.Context, dir string) (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil
	}
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	pid, err := u.start(ctx, dir+"/redis.log", path, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--appendonly", "yes", "--save", "")
	if err != nil {
		return "", err
	}
	u.pids, u.redisName = append(u.pids, pid), "redis-server"
	if err := answers(ctx, addr); err != nil {
		return "", err
	}
	return fmt.Sprintf("redis:\n  url: redis://%s/0\n", addr), nil
}

// answers waits until something listens at an address, at most ten seconds.
func answers(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return poll(ctx, func() (bool, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
}

// cpu is how many CPU seconds the processes have used, system calls included.
func (u *upped) cpu() (float64, error) {
	var sum float64
	for _, pid := range u.pids {
		s, err := cpuSeconds(pid)
		if err != nil {
			return 0, err
		}
		sum += s
	}
	return sum, nil
}

// cpuSeconds is how much CPU a process has used, by the kernel's clock of 100 a second.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of the process: %w", err)
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name before may hold blanks
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("read the CPU time of process %d: %q", pid, b)
	}
	var sum float64
	for _, s := range f[11:13] {
		ticks, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, fmt.Errorf("read the CPU time of process %d: %w", pid, err)
		}
		sum += ticks / 100
	}
	return sum, nil
}
