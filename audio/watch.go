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
	conn *Conn
	want wanted
	lost func(device string) // of Server.OnLost, or nil
	log  *slog.Logger

	meters   *meters
	unproven []Device // used by the repairs only

	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	err     error // of the last repair
	proofs  []Proof
	clocks  clocks
	checked time.Time // when clocks was last asked
}

// start begins to watch over w.conn, on which the devices stand and are proven
// but for the unproven ones.
func (w *watch) start(ctx context.Context) error {
	w.wake, w.done = make(chan struct{}, 1), make(chan struct{})
	mask := proto.SubscriptionMaskSink | proto.SubscriptionMaskSource | proto.SubscriptionMaskServer |
		proto.SubscriptionMaskSinkInput | proto.SubscriptionMaskSourceInput
	if err := w.conn.Subscribe(ctx, mask, func(e proto.SubscribeEvent) { w.event(e) }); err != nil {
		return fmt.Errorf("cannot follow the changes of the sound server: %w", err)
	}
	var err error
	if w.meters, err = newMeters(ctx, w.conn.server, w.want.devices); err != nil {
		return err
	}
	if err := w.measure(ctx); err != nil {
		w.meters.conn.Close()
		return err
	}
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go w.run(ctx)
	return nil
}

// event tells what a server's event is for: the devices have changed, or who
// uses them.
func (w *watch) event(e proto.SubscribeEvent) {
	switch e.Event.GetFacility() {
	case proto.EventSinkSinkInput, proto.EventSinkSourceOutput:
		if e.Event.GetType() == proto.EventChange {
			return
		}
	}
	w.poke()
}

func (w *watch) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// quit ends the repairs.
func (w *watch) quit() {
	w.cancel()
	<-w.done
}

// close ends the connection and waits for all that runs on it.
func (w *watch) close() {
	w.quit()
	w.conn.Close()
	w.meters.conn.Close()
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
// anew as soon as nobody uses their mic.
func (w *watch) repair(ctx context.Context) {
	steps, err := reconcile(ctx, w.conn, w.want)
	if len(steps) > 0 {
		w.log.Warn("devices repaired: something else on the sound server had changed them", "steps", describe(steps))
	}
	if err == nil {
		made := remade(w.want.devices, steps)
		for _, d := range made {
			if w.lost != nil && w.meters.live(d.Name) {
				w.lost(d.Name)
			}
		}
		err = w.prove(ctx, made)
	}
	if err == nil {
		err = w.measure(ctx)
	}
	// A server that is lost is the supervisor's to tell.
	if err != nil && ctx.Err() == nil && w.conn.Err() == nil {
		w.log.Error("cannot repair the devices", "error", err)
	}
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
}

// measure follows the levels of the devices, closely where they are used.
func (w *watch) measure(ctx context.Context) error {
	users, err := streams(ctx, w.conn)
	if err != nil {
		return err
	}
	used := func(device string) bool {
		d := Device{Name: device}
		ends := []string{d.Speaker(), d.SpeakerMonitor(), d.MicFeed(), d.Mic()}
		return slices.ContainsFunc(users, func(u stream) bool { return slices.Contains(ends, u.end) })
	}
	if err := w.meters.follow(ctx, used); err != nil {
		return fmt.Errorf("cannot follow the levels of the devices: %w", err)
	}
	return nil
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

// prove proves the devices that were made anew and those that were in use when
// they were.
func (w *watch) prove(ctx context.Context, made []Device) error {
	w.unproven = append(slices.DeleteFunc(w.unproven, func(d Device) bool { return slices.Contains(made, d) }), made...)
	if len(w.unproven) == 0 {
		return nil
	}
	proofs, busy, err := proveUnused(ctx, w.conn, w.unproven)
	if err != nil {
		return err
	}
	w.unproven = busy
	for _, d := range busy {
		if slices.Contains(made, d) {
			w.log.Info("proof postponed: the mic is in use", "device", d.Name)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range proofs {
		w.log.Info("audio proven", "device", p.Device, "latency_ms", ms(p.Latency), "gain_db", round1(p.Gain))
		w.proofs = append(slices.DeleteFunc(w.proofs, func(old Proof) bool { return old.Device == p.Device }), p)
	}
	return nil
}

// proveUnused proves the devices whose mic nobody uses, and tells the others: a
// caller would hear it.
func proveUnused(ctx context.Context, c *Conn, devices []Device) (proofs []Proof, busy []Device, err error) {
	users, err := streams(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	var free []Device
	for _, d := range devices {
		if slices.ContainsFunc(users, func(u stream) bool { return u.end == d.Mic() || u.end == d.MicFeed() }) {
			busy = append(busy, d)
		} else {
			free = append(free, d)
		}
	}
	proofs, err = Prove(ctx, c, free)
	return proofs, busy, err
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
	still := -1
	w.mu.Lock()
	if now := time.Now(); now.Sub(w.checked) > idleWindow/4 {
		still, w.checked = w.clocks.still(w.meters.turns()), now
	}
	w.mu.Unlock()
	if still >= 0 {
		p := w.meters.levels()[still]
		return fmt.Errorf("device %s is stalled: its %s gave no sample in %d checks", p.Device, p.End, stalled)
	}
	return nil
}

// clocks tell of a number of counters which one stands still.
type clocks struct {
	last   []int
	checks []int // in which it did not advance
}

// stalled is the number of checks in which an end gives no sample, at two to
// four checks for one sample, until it counts as stalled. Time would be no
// measure: it goes on while a container is paused.
const stalled = 7

// still is the first counter that has not advanced in as many checks, or −1.
func (c *clocks) still(counts []int) int {
	if len(c.last) != len(counts) {
		c.last, c.checks = make([]int, len(counts)), make([]int, len(counts))
	}
	found := -1
	for i, n := range counts {
		c.checks[i]++
		if n != c.last[i] {
			c.last[i], c.checks[i] = n, 0
		}
		if c.checks[i] >= stalled && found < 0 {
			found = i
		}
	}
	return found
}
