// Teleportation of ry(1)|0> from q[0] to q[2]: after the corrections ry(-1) brings q[2] back to
// |0>, so the leftmost bit is always 0, whatever the two measured bits are.
// C. H. Bennett et al., "Teleporting an unknown quantum state" (1993).
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[1] z_bit;
bit[1] x_bit;
bit[1] out;
ry(1) q[0];
h q[1];
cx q[1], q[2];
cx q[0], q[1];
h q[0];
z_bit[0] = measure q[0];
x_bit[0] = measure q[1];
if (x_bit[0]) { x q[2]; }
if (z_bit[0]) { z q[2]; }
ry(-1) q[2];
out[0] = measure q[2];
