package audio

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jfreymuth/pulse/proto"
)

// TestPolledIsLookedAtAsTold has replies wait for the next look.
func TestPolledIsLookedAtAsTold(t *testing.T) {
	socket := fakeServer(t, func(c net.Conn) {
		polite(c, func(_, tag uint32) bool {
			_, err := c.Write(controlFrame(proto.OpReply, tag, uint32(7)))
			return err == nil
		})
	})
	c, look, err := dialPolled(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	look(time.Hour)
	time.Sleep(10 * time.Millisecond) // for the look that the change itself makes
	var reply proto.LoadModuleReply
	err = c.Request(within(t, 100*time.Millisecond), &proto.LoadModule{Name: "a"}, &reply)
	if err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("before the next look: %v", err)
	}
	look(promptly)
	if err := c.Request(t.Context(), &proto.LoadModule{Name: "b"}, &reply); err != nil || reply.ModuleIndex != 7 {
		t.Errorf("looked at: %v, module %d", err, reply.ModuleIndex)
	}
	look(time.Hour)
	c.Close() // does not wait for the next look
}
