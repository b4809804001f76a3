export function pageFor(text: string, address: string | undefined): string;
