// What is drawn. Change a number, save, and look.

/** One swing of one pendulum. */
export interface Swing {
  /** Swings in a second. Whole numbers that differ make figures, almost whole ones make them turn. */
  frequency: number;
  /** Where it begins, in turns. */
  phase: number;
  /** How soon it comes to rest. */
  damping: number;
}

export interface Curve {
  name: string;
  x: Swing[];
  y: Swing[];
}

export const curves: Curve[] = [
  {
    name: "A rosette",
    x: [
      { frequency: 5, phase: 0.25, damping: 0.006 },
      { frequency: 2.003, phase: 0.25, damping: 0.012 },
    ],
    y: [
      { frequency: 5, phase: 0, damping: 0.006 },
      { frequency: 2.003, phase: 0.5, damping: 0.012 },
    ],
  },
  {
    name: "Three against two, almost",
    x: [
      { frequency: 2.01, phase: 0, damping: 0.011 },
      { frequency: 3, phase: 0.25, damping: 0.008 },
    ],
    y: [
      { frequency: 3, phase: 0, damping: 0.011 },
      { frequency: 2, phase: 0.3, damping: 0.009 },
    ],
  },
  {
    name: "Four against three, slowly turning",
    x: [{ frequency: 4, phase: 0.1, damping: 0.01 }],
    y: [
      { frequency: 3.004, phase: 0.25, damping: 0.008 },
      { frequency: 1, phase: 0, damping: 0.02 },
    ],
  },
];
