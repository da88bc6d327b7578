class Pool
{
    static readonly int Size = 4;
    static readonly int Half = Size / 2;
}
