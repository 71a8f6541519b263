// Phase estimation of the T gate: its eigenvalue on |1> is exp(2 pi i/8), read as 001 of 8.
// A. Y. Kitaev, "Quantum measurements and the Abelian stabilizer problem" (1995).
OPENQASM 2.0;
include "qelib1.inc";
qreg count[3];
qreg eigen[1];
creg c[3];
x eigen;
h count;
cu1(pi/4) count[0], eigen[0];
cu1(pi/2) count[1], eigen[0];
cu1(pi) count[2], eigen[0];
barrier count;
swap count[0], count[2];
h count[0];
cu1(-pi/2) count[0], count[1];
h count[1];
cu1(-pi/4) count[0], count[2];
cu1(-pi/2) count[1], count[2];
h count[2];
measure count -> c;
