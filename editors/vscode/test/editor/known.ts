/** Facts about the shipped model: its name, and a place where it is sure. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

const DEFAULT = join(__dirname, "../../../../../cg2ls/default/model.json");

export const MODEL: string = JSON.parse(readFileSync(DEFAULT, "utf8")).name;

/** Alone and with the workspace's memory, TYPED at the mark continues with REST. */
export const CODE = 'def show(lines):\n    """Prints lines with their numbers."""\n    ‸\n';
export const TYPED = "for i, l";
export const REST = "ine in enumerate(lines):";
