package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

func (s *server) ListRuns(ctx context.Context, r gen.ListRunsRequestObject) (gen.ListRunsResponseObject, error) {
	if err := some(r.Params.Limit); err != nil {
		return nil, err
	}
	list, err := s.ops.Runs(ctx, auth.From(ctx), val(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	return gen.ListRuns200JSONResponse{RunsListedJSONResponse: runs(list)}, nil
}

func (s *server) StartRun(ctx context.Context, r gen.StartRunRequestObject) (gen.StartRunResponseObject, error) {
	started, err := s.ops.Start(ctx, auth.From(ctx), texts[shipment.AccountID](r.Body.Accounts), val(r.Body.Comment), val(r.Body.OperationId))
	if err != nil {
		return nil, err
	}
	return gen.StartRun202JSONResponse{RunsListedJSONResponse: runs(started)}, nil
}

func (s *server) PreviewRun(ctx context.Context, r gen.PreviewRunRequestObject) (gen.PreviewRunResponseObject, error) {
	p, err := s.ops.Preview(ctx, auth.From(ctx), texts[shipment.AccountID](r.Params.Account))
	if err != nil {
		return nil, err
	}
	out := gen.PreviewRun200JSONResponse{At: p.At, Count: p.Count, DoneBy: moment(p.DoneBy), LastRun: moment(p.LastRun),
		Text: gen.Text{De: p.Text("de"), En: p.Text("en")}}
	out.Accounts = make([]struct {
		Count       int           `json:"count"`
		Id          gen.AccountId `json:"id"`
		Name        string        `json:"name"`
		PausedUntil *time.Time    `json:"pausedUntil,omitempty"`
	}, len(p.Accounts))
	for i, a := range p.Accounts {
		x := &out.Accounts[i]
		x.Count, x.Id, x.Name, x.PausedUntil = a.Count, gen.AccountId(a.ID), a.Name, moment(a.PausedUntil)
	}
	return out, nil
}

func (s *server) GetRun(ctx context.Context, r gen.GetRunRequestObject) (gen.GetRunResponseObject, error) {
	found, err := s.ops.Run(ctx, auth.From(ctx), r.Id)
	if err != nil {
		return nil, err
	}
	return gen.GetRun200JSONResponse(run(found)), nil
}

func (s *server) WatchRun(ctx context.Context, r gen.WatchRunRequestObject) (gen.WatchRunResponseObject, error) {
	if _, err := s.ops.Run(ctx, auth.From(ctx), r.Id); err != nil {
		return nil, err // as a body of its own, before the stream begins
	}
	return stream{ctx: ctx, server: s, actor: auth.From(ctx), run: r.Id}, nil
}

// stream is a run's progress as server-sent events.
type stream struct {
	ctx    context.Context
	server *server
	actor  ops.Actor
	run    string
}

// VisitWatchRunResponse writes events until the run has ended or the reader has gone.
func (s stream) VisitWatchRunResponse(w http.ResponseWriter) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	heard := make(chan job.Progress)
	ended := make(chan error, 1)
	go func() {
		ended <- s.server.ops.Progress(ctx, s.actor, s.run, func(p job.Progress) {
			select {
			case heard <- p:
			case <-ctx.Done():
			}
		})
	}()
	beat := time.NewTicker(s.server.beat)
	defer beat.Stop()
	write := func(text string) bool {
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return flush.Flush() == nil
	}
	open := write(": following\n\n")
	for open {
		select {
		case p := <-heard:
			open = write(sse("progress", progress(p)))
		case <-beat.C:
			open = write(": still here\n\n")
		case err := <-ended:
			if err != nil {
				write(sse("error", body(err)))
			}
			return nil
		}
	}
	cancel()
	<-ended
	return nil
}

func sse(name string, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return "event: " + name + "\ndata: " + string(data) + "\n\n"
}

func (s *server) ListSchedules(ctx context.Context, _ gen.ListSchedulesRequestObject) (gen.ListSchedulesResponseObject, error) {
	list, err := s.ops.Schedules(ctx, auth.From(ctx))
	if err != nil {
		return nil, err
	}
	out := gen.ListSchedules200JSONResponse{Schedules: make([]gen.Schedule, len(list))}
	for i, x := range list {
		out.Schedules[i] = gen.Schedule{Account: gen.AccountId(x.Account), Connection: gen.ConnectionId(x.Connection), Name: x.Name, Cron: x.Cron, Zone: x.Zone, Off: x.Off,
			PausedUntil: moment(x.PausedUntil), Next: append([]time.Time{}, x.Next...)}
		if len(x.Clashes) > 0 {
			warnings := make([]gen.Text, len(x.Clashes))
			for j, c := range x.Clashes {
				warnings[j] = gen.Text{De: c.Text("de"), En: c.Text("en")}
			}
			out.Schedules[i].Warnings = &warnings
		}
	}
	return out, nil
}
