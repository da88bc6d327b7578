class Meter
{
    #region Reading

    int Read() => port.Read();

    #endregion
}
