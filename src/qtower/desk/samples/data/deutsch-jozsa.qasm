// Deutsch-Jozsa: f(x) = x0 xor x1 xor x2 is balanced, so 000 is never seen.
// D. Deutsch, R. Jozsa, "Rapid solution of problems by quantum computation" (1992).
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
qreg target[1];
creg c[3];
x target;
h q;
h target;
barrier q, target;
cx q[0], target[0];
cx q[1], target[0];
cx q[2], target[0];
barrier q, target;
h q;
measure q -> c;
