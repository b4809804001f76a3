/** A place where the shipped model has no doubt, alone and with the workspace's memory: TYPED goes on with REST. */

export const CODE = 'def show(lines):\n    """Prints lines with their numbers."""\n    ‸\n';
export const TYPED = "for i, l";
export const REST = "ine in enumerate(lines):";
