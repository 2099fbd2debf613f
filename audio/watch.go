package audio

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// watch keeps the devices of one run of a server as they are wanted, from its
// start to its end, woken by the server's events.
type watch struct {
	conn    *Conn
	devices []Device
	log     *slog.Logger

	meters *meters

	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	err    error // of the last repair
	proofs []Proof
}

// stalled is how long a device may give no sample. A server that hangs as a
// whole is noticed sooner.
const stalled = 3 * idleWindow

// startWatch takes over conn, on which the devices stand and are proven.
func startWatch(ctx context.Context, conn *Conn, devices []Device, proofs []Proof, log *slog.Logger) (*watch, error) {
	w := &watch{
		conn: conn, devices: devices, proofs: proofs, log: log, meters: newMeters(conn, devices, false),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	mask := proto.SubscriptionMaskSink | proto.SubscriptionMaskSource | proto.SubscriptionMaskServer
	if err := conn.Subscribe(ctx, mask, func(proto.SubscribeEvent) { w.poke() }); err != nil {
		return nil, fmt.Errorf("cannot follow the changes of the sound server: %w", err)
	}
	if err := w.meters.follow(ctx); err != nil {
		conn.Close()
		w.meters.wg.Wait()
		return nil, fmt.Errorf("cannot follow the levels of the devices: %w", err)
	}
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go w.run(ctx)
	return w, nil
}

func (w *watch) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close ends the connection and waits for all that runs on it.
func (w *watch) close() {
	w.cancel()
	<-w.done
	w.conn.Close()
	w.meters.wg.Wait()
}

func (w *watch) run(ctx context.Context) {
	defer close(w.done)
	for {
		select {
		case <-w.wake:
			w.repair(ctx)
		case <-w.conn.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// repair makes the devices as wanted again, and proves those that were made
// anew and that nobody uses yet.
func (w *watch) repair(ctx context.Context) {
	steps, err := reconcile(ctx, w.conn, wanted{devices: w.devices, defaults: true})
	if len(steps) > 0 {
		w.log.Warn("devices repaired: something else on the sound server had changed them", "steps", describe(steps))
	}
	if err == nil {
		err = w.meters.follow(ctx)
	}
	if made := remade(w.devices, steps); err == nil && len(made) > 0 {
		err = w.prove(ctx, made)
	}
	// A server that is lost is the supervisor's to tell.
	if err != nil && ctx.Err() == nil && w.conn.Err() == nil {
		w.log.Error("cannot repair the devices", "error", err)
	}
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
}

// remade are the devices of which steps made a part.
func remade(devices []Device, steps []step) []Device {
	var made []Device
	for _, d := range devices {
		if slices.ContainsFunc(steps, func(s step) bool { return s.op == loadModule && s.device == d.Name }) {
			made = append(made, d)
		}
	}
	return made
}

func (w *watch) prove(ctx context.Context, devices []Device) error {
	users, err := streams(ctx, w.conn)
	if err != nil {
		return err
	}
	var free []Device
	for _, d := range devices {
		if slices.ContainsFunc(users, func(u stream) bool { return u.end == d.Mic() || u.end == d.MicFeed() }) {
			w.log.Info("proof postponed: the mic is in use", "device", d.Name)
			continue
		}
		free = append(free, d)
	}
	proofs, err := Prove(ctx, w.conn, free)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range proofs {
		w.log.Info("audio proven", "device", p.Device, "latency_ms", ms(p.Latency), "gain_db", round1(p.Gain))
		for i := range w.proofs {
			if w.proofs[i].Device == p.Device {
				w.proofs[i] = p
			}
		}
	}
	return nil
}

// health tells if the server answers, and if the devices stand and their clocks
// advance.
func (w *watch) health(ctx context.Context) error {
	if err := w.conn.Request(ctx, &proto.GetServerInfo{}, &proto.GetServerInfoReply{}); err != nil {
		return err
	}
	w.mu.Lock()
	err := w.err
	w.mu.Unlock()
	if err != nil {
		w.poke() // once more, for the next check to see
		return err
	}
	for _, l := range w.meters.levels() {
		if silent := time.Since(l.Time); silent > stalled {
			return fmt.Errorf("device %s is stalled: its %s gave no sample for %v", l.Device, l.End, silent.Round(time.Millisecond))
		}
	}
	return nil
}
